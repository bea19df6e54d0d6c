"""The paper's experiments beside exact Bayes, a file each: which cells it needs, and how their results are read.

``registry`` lists them in the report's order, ``scales`` says how large each preset is.
"""

"""Second opinions that share no arithmetic with the rest: fractions, Arb balls and Coq.

``certify`` proves conditions and rates of rational instances, ``certify_moments`` that n examples are enough,
``certify_bracket`` rates with several delimiter states; ``counterexamples`` holds the paper's, ``search`` looks for
more. The Coq sources lie in ``coq``.
"""

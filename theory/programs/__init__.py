"""The pretraining law for other libraries: NumPyro's distribution and program, inference for unknown concepts.

``interchange`` turns concepts into hmmlearn's, dynamax's and pomegranate's models, and back.
"""

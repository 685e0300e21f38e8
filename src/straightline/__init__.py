"""Is a straight line enough for your table, or do you need a neural network?"""

__version__ = "0.1.0"

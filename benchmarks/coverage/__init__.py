"""How often every kind of interval and of test in this suite covers, by simulation where the truth is known."""

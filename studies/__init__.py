"""Looking at what the made worlds are like, beside reality. Not part of the package."""

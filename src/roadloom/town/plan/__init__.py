"""What stands where, in whole numbers."""

"""What was recorded or made, whatever the data set: clips, frames, classes, readers."""

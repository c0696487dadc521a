"""One file per data set. Each answers ``ClipReader``; nothing above knows which it was."""

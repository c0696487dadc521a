"""Small networks whose features compare sets of generated with sets of real scenes."""

"""Who moves how: lanes, lights, right of way, people, and the ego."""

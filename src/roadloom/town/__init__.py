"""town: a procedural town that drives, is seen by any sensor and knows everything about itself.

dice -> plan      what stands where, in whole millimetres         (hashed: town-v1)
     -> traffic   who moves how, in whole micrometres and ticks   (hashed with it)
plan -> mesh      triangles with material and class, in metres
plan -> world     poses of everything at any time
world -> cast     exact rays against standing and moving triangles
      -> camera, lidar, occupancy, annotations, road_map
"""

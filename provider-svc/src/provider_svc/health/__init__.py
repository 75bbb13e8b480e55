"""How each target is: whether calls go there, how soon it begins to answer, and how many calls more may be made because others failed.

Pure: time is handed in, and what is to be told is handed out. One `HealthBook` a process, one `TargetHealth` a target.
"""

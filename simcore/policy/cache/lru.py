"""The prefix that has been unreferenced longest."""

BY_HITS = False
"""order of the evictable list: by the time of release"""

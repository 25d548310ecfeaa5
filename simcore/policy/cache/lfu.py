"""The prefix that was hit least often; of equals, the one unreferenced longest."""

BY_HITS = True
"""order of the evictable list: by hits, then by the time of release"""

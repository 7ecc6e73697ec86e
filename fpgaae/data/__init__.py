"""Trigger events: layouts, readers, hardware integers, splits."""

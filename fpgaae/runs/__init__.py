"""Run folders: stages, where their files lie, what they were made from, and whether they are still that."""

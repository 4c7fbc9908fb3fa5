"""Trainings as processes of their own, started, paused and stepped from the page."""

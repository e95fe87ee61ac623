"""Synthetic faces: a procedural renderer driven by facial action units, where every disturbance is a knob."""

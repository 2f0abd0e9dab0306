"""Realism shown: what an emulated fleet does, measured from its messages alone, beside published figures."""

"""What notebooks and other programs call: one function a task; the command line calls the same ones.

The names are offered by `fibrostage` itself: `fibrostage.train`, not `fibrostage.api.runs.train`.
"""

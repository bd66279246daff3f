"""What every test of a loop asks for: a network so small that a fit takes no time."""

SMALL = (
    "network.backbone=tiny", "network.weights=random", "network.reduce=16", "network.se_reduction=4",
    "training.epochs=2", "training.precision=float32", "evaluation.bootstrap=100", "active.passes=3",
)  # fmt: skip

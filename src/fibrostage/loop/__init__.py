"""The loop with people in it: patients join, the tool asks, readers answer when they can, a model is fitted."""

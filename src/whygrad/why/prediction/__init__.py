"""Why this prediction: feature attribution (integrated gradients), sensitivity, counterfactuals."""

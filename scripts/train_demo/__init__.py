# Trains the demo model on a synthetic world of moving shapes; README.md tells the steps.

"""POPNASv2 as an Optuna sampler."""

"""The collector: takes the reports of probes, keeps them in a log, and shows what follows from them."""

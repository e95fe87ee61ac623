"""What ``ferbench.testing`` runs: benches that build small methods, and the guarantees they are held against."""

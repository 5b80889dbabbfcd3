"""Many runs side by side: tables, and the papers' figures, from what the runs left in their folders."""

"""Where the work is done: claim, stage, run or submit, report. One file per backend."""

// What the portal says more than once, in one place.

export const NAV = [
  ["/", "Home"], ["/runs", "Runs"], ["/experiments", "Experiments"], ["/pipelines", "Pipelines"],
  ["/schedules", "Schedules"], ["/data", "Data"], ["/models", "Models"], ["/computes", "Compute"], ["/audit", "Changes"],
];

export const STATUS = {
  running: { sign: "▶", word: "running" },
  failing: { sign: "▶", word: "failing" },
  cancelling: { sign: "▶", word: "cancelling" },
  completed: { sign: "✓", word: "completed" },
  failed: { sign: "✕", word: "failed" },
  cancelled: { sign: "⊘", word: "cancelled" },
  waiting: { sign: "○", word: "waiting" },
  ready: { sign: "◔", word: "ready" },
  started: { sign: "◔", word: "queued" },
  at_work: { sign: "▶", word: "running" },
  recalled: { sign: "◔", word: "called back" },
  stopping: { sign: "◔", word: "stopping" },
  passed: { sign: "✓", word: "succeeded" },
  fell: { sign: "✕", word: "an attempt failed" },
  succeeded: { sign: "✓", word: "succeeded" },
  skipped: { sign: "↷", word: "skipped" },
  reused: { sign: "↻", word: "reused" },
};

export const ENDED = ["completed", "failed", "cancelled"];

// In the order in which a step passes through them; docs/reference/times.md
export const SEGMENTS = {
  inputs: "waiting for the steps before it",
  earlier_attempts: "attempts that did not succeed",
  rest: "resting before it was tried again",
  queue: "not yet taken up by a worker",
  capacity: "waiting for a free slot",
  environment: "finding or building its environment",
  data_in: "putting source files and inputs in place",
  user_code: "the author's code at work",
  data_out: "keeping outputs and files",
  finishing: "recording its end",
};

export const SAID = {
  signIn: "Sign in to see this workspace",
  signInHow: "In the project's folder, run this; it opens the portal with you signed in, and this page goes on by itself:",
  signInCommand: "canalis open",
  away: "The service does not answer. This page tries again by itself; nothing was lost. A service that had nothing to do for an hour ends: `canalis open` starts it again.",
  noRuns: "No runs yet.",
  noRunsNext: "`canalis run my_pipeline.py` runs your v1 script; `canalis demo` runs an example.",
  noSuchRuns: "No run fits these filters.",
  noMetrics: "Nothing was logged here.",
  noMetricsNext: "`run.log(\"loss\", 0.3)` in the script shows here within a second.",
  noLog: "Nothing was printed yet.",
};

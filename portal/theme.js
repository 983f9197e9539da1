// Before anything is painted: the theme that was chosen here, else the system's.
"use strict";
try {
  const chosen = localStorage.getItem("canalis.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch { /* storage is switched off: the system's theme it is */ }

// Set the colour mode before anything is painted.
(function () {
  "use strict";
  var mode = "auto";
  try {
    mode = localStorage.getItem("mode") || "auto";
  } catch (error) {
    // Storage is closed to this page: follow the system.
  }
  var dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  var root = document.documentElement;
  root.dataset.mode = mode;
  root.dataset.theme = mode === "auto" ? (dark ? "dark" : "light") : mode;
})();

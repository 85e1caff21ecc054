// Small things that need a script: printing, and keyboard access to what scrolls sideways.
(function () {
  "use strict";

  document.querySelectorAll('[data-action="print"]').forEach(function (button) {
    button.addEventListener("click", function () {
      window.print();
    });
  });

  var wide = "div.math, figure, pre, .cell_output > .output, .table-scroll, .table-wrapper, .pst-scrollable-table-container";

  function update() {
    document.querySelectorAll(wide).forEach(function (element) {
      var scrolls = element.scrollWidth > element.clientWidth;
      if (scrolls) {
        element.tabIndex = 0;
        if (!element.hasAttribute("role") && !element.matches("figure")) element.setAttribute("role", "group");
        if (!element.hasAttribute("aria-label")) {
          element.setAttribute("aria-label", element.matches("div.math") ? "Formula, scrolls sideways" : "Scrolls sideways");
        }
      } else {
        element.removeAttribute("tabindex");
      }
    });
  }

  var pending;
  window.addEventListener("resize", function () {
    clearTimeout(pending);
    pending = setTimeout(update, 200);
  });
  window.addEventListener("load", function () {
    // After the theme's own pass, which knows only some of these.
    setTimeout(update, 0);
  });
})();

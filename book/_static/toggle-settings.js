// What the toggle buttons read; in a file, so that no page needs an inline script.
var togglebuttonSelector = ".toggle, .admonition.dropdown";
var toggleHintShow = "Show";
var toggleHintHide = "Hide";
var toggleOpenOnPrint = "true";

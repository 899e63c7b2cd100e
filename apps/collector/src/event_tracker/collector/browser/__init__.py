"""The browser's tracker."""

"""Events as a stream: exports, and live events."""

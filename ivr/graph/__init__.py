"""A flow as a diagram: what is drawn, as Mermaid text, and as SVG."""

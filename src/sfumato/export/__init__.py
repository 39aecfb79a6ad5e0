"""Erasers, readers and perturbers as ONNX files, and what runs them without the method's code."""

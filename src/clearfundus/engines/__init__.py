"""Engines that run a generator without torch: its graph, exported files, ONNX Runtime and OpenVINO."""

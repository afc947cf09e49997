"""What an exported extension carries beside a copy of the engine: it applies and takes back.

Standard library and engine only. The exporter copies this folder, and writes the imports of the
engine as relative ones.
"""

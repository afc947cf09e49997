"""The process in which an export is checked: loaded as the webui loads it, looked at, taken back.

Standard library only, and nothing else of livepatch: the process runs these files by themselves,
where livepatch cannot be imported. ``looking`` runs in the webui's process too, so that both sides
are looked at with the same eyes.
"""

"""How what the index knows is shown: tables and trees for people, JSON, DOT and Mermaid for programs.

Nothing here asks the index; values go in, text comes out.
"""

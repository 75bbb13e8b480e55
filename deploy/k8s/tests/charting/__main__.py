"""Writes anew what follows from the chart: golden renders, the README's table of values, the kustomize base."""

from charting import golden, kustomize, readme

golden.write()
readme.write()
kustomize.write()

# SPDX-License-Identifier: Apache-2.0
#
# Sphinx, which is optional, makes HTML of the pages:
#
#     sphinx-build -W Documentation html

project = "Bastion for Open vSwitch"
root_doc = "index"
smartquotes = False
html_theme = "alabaster"

// SPDX-License-Identifier: MIT
// What the simulations draw with: one look, in light and dark, and a program that draws or checks a picture.

#ifndef CIBMTR_AUTH_TESTS_PICTURE_HPP
#define CIBMTR_AUTH_TESTS_PICTURE_HPP

#include <cstdio>
#include <string>

#include "folder.hpp"

namespace tests {

inline std::string svg_text(int x, int y, std::string const& style, std::string const& words) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" class=\"" + style + "\">" + words +
         "</text>\n";
}

/// A picture 900 wide; `summary` is for those who cannot see it.
inline std::string svg_picture(int height, std::string const& title, std::string const& summary,
                               std::string const& drawn) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 " + std::to_string(height) +
         R"(" role="img" aria-labelledby="title desc">
<title id="title">)" +
         title + R"(</title>
<desc id="desc">)" +
         summary + R"(</desc>
<style>
text { font: 14px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a; }
.card { fill: #ffffff; stroke: #d0d7de; }
.grid { stroke: #d0d7de; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
.heading { font-size: 18px; font-weight: 600; fill: #1f2328; }
.number { font-size: 22px; font-weight: 600; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.script { stroke: #cf222e; } text.script { stroke: none; fill: #cf222e; }
.memory { stroke: #6e7781; stroke-dasharray: 2 5; } text.memory { stroke: none; fill: #57606a; }
.file { stroke: #0969da; } text.file { stroke: none; fill: #0969da; }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1; }
.card { fill: #0d1117; stroke: #3d444d; }
.grid { stroke: #3d444d; }
.heading { fill: #f0f6fc; }
.script { stroke: #ff7b72; } text.script { fill: #ff7b72; }
.memory { stroke: #9198a1; } text.memory { fill: #9198a1; }
.file { stroke: #58a6ff; } text.file { fill: #58a6ff; }
}
</style>
<rect class="card" x="0.5" y="0.5" width="899" height=")" +
         std::to_string(height - 1) + "\" rx=\"6\"/>\n" + drawn + "</svg>\n";
}

/// `PROGRAM FILE.svg` draws, `PROGRAM --check FILE.svg` says whether it would draw the same.
inline int draw_or_check(int argc, char** argv, std::string const& picture) {
  std::string const file = argc > 1 ? argv[argc - 1] : "";
  if (argc == 2) {
    write_text(file, picture);
    return 0;
  }
  if (argc == 3 && argv[1] == std::string("--check")) {
    bool const is_same = text_of(file) == picture;
    if (is_same) {
      std::printf("%s is what the simulation draws\n", file.c_str());
    } else {
      std::printf("%s is out of step; draw it again: %s %s\n", file.c_str(), argv[0], file.c_str());
    }
    return is_same ? 0 : 1;
  }
  std::fprintf(stderr, "usage: %s [--check] FILE.svg\n", argv[0]);
  return 2;
}

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_PICTURE_HPP

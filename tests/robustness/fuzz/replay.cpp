// SPDX-License-Identifier: MIT
// Feeds every file of the corpus to its target: what fuzzing once found stays found, with any compiler.

#include <dirent.h>

#include <fstream>
#include <iostream>
#include <iterator>

#include "fuzz.hpp"

int main(int, char** argv) {
  for (auto const& target : fuzz::targets()) {
    std::string const folder = std::string(argv[1]) + "/" + target.first + "/";
    int files = 0;
    DIR* const directory = opendir(folder.c_str());
    while (dirent const* const entry = directory ? readdir(directory) : nullptr) {
      if (entry->d_name[0] != '.') {
        std::string const path = folder + entry->d_name;
        std::cerr << path << std::endl;  // the last one is the culprit
        std::ifstream file(path, std::ios::binary);
        target.second(std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
        ++files;
      }
    }
    fuzz::promise(files > 0, "each target has a corpus");
    closedir(directory);
    std::cout << target.first << ": " << files << " files\n";
  }
}

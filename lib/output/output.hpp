// The face of lib/output: files that are whole or absent, latents, videos.
#pragma once

#include "output/atomic_file.hpp"
#include "output/latents_file.hpp"
#include "output/video_codecs.hpp"
#include "output/video_reader.hpp"
#include "output/video_writer.hpp"

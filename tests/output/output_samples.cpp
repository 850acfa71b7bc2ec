// Writes files with lib/output for the Python checks (`write FOLDER`), and reads pictures for them
// with lib/output (`read FILE RAW`: RGB bytes to RAW, "count height width fps" to the standard
// output).
#include <array>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>

#include "output/output.hpp"
#include "output/pictures.hpp"
#include "output/test_folder.hpp"
#include "support/compare.hpp"

namespace causeway::testing {
namespace {

template <class Element>
void dump(const std::filesystem::path& path, const std::vector<Element>& values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(Element)));
}

void write_latents_samples(const std::filesystem::path& folder) {
  const std::array<std::int64_t, 4> shape{16, 5, 6, 10};
  auto values = random_normal(16 * 5 * 6 * 10, 11);
  const float infinity = std::numeric_limits<float>::infinity();
  const std::array<float, 8> special{0.0f,        -0.0f,       infinity, -infinity,
                                     1.00390625f, 1.01171875f, 0x1p-20f, 3.4e38f};
  std::copy(special.begin(), special.end(), values.begin());
  dump(folder / "values.f32", values);
  std::string long_text;
  while (long_text.size() < 1'000'000)
    long_text += "Satz " + std::to_string(long_text.size()) + " ß; ";
  dump(folder / "long.txt", std::vector<char>(long_text.begin(), long_text.end()));
  const Attributes attributes{
      {latents_attribute::id, std::string("fox-01")},
      {latents_attribute::prompt, std::string("Ein Fuchs läuft, 狐 🦊")},
      {latents_attribute::seed, std::uint64_t{18446744073709551615u}},
      {latents_attribute::fps, 16.0},
      {latents_attribute::height, std::int64_t{480}},
      {latents_attribute::scaling, std::string("normalised")},
      {latents_attribute::configuration, long_text},
      {latents_attribute::timings, std::string(R"({"denoise": 1.5})")}};
  for (const auto type : {LatentsType::f32, LatentsType::f16, LatentsType::bf16}) {
    write_latents(folder / fmt::format("{}.h5", name_of(type)), {shape, values, type, attributes});
  }
}

struct Clip {
  const char *name, *codec, *preset;
  double crf;
  FrameRate fps;
  int frames;
};

void write_videos(const std::filesystem::path& folder) {
  constexpr int height = 144, width = 176;
  std::vector<std::uint8_t> source;
  for (int i = 0; i < 33; ++i) {
    const auto frame = smooth_frame(i, height, width);
    source.insert(source.end(), frame.begin(), frame.end());
  }
  dump(folder / "source.rgb", source);
  const Clip clips[] = {{"x264", "libx264", "medium", 18, {16, 1}, 33},
                        {"lossless", "libx264", "ultrafast", 0, {30000, 1001}, 5},
                        {"x265", "libx265", "fast", 18, {16, 1}, 33},
                        {"svtav1", "libsvtav1", "10", 20, {16, 1}, 33}};
  for (const Clip& clip : clips) {
    VideoSettings settings;
    settings.path = folder / fmt::format("{}.mp4", clip.name);
    settings.width = width;
    settings.height = height;
    settings.codec = clip.codec;
    settings.preset = clip.preset;
    settings.crf = clip.crf;
    settings.fps = clip.fps;
    settings.title = "fox-01";
    settings.comment = R"({"prompt": "Ein Fuchs läuft"})";
    VideoWriter writer(settings);
    for (int i = 0; i < clip.frames; ++i) writer.write(smooth_planes(i, height, width).data());
    writer.publish();
  }
}

int run(int argc, char** argv) {
  const std::string action = argc > 1 ? argv[1] : "";
  if (action == "write" && argc == 3) {
    make_directories(argv[2]);
    write_latents_samples(argv[2]);
    write_videos(argv[2]);
    return 0;
  }
  if (action == "read" && argc == 4) {
    const VideoFrames frames = read_frames(argv[2], 1000);
    dump(argv[3], frames.rgb);
    std::printf("%ld %d %d %d/%d\n", static_cast<long>(frames.count), frames.height, frames.width,
                frames.fps.numerator, frames.fps.denominator);
    return 0;
  }
  std::fprintf(stderr, "usage: output_samples write FOLDER | read FILE RAW\n");
  return 2;
}

}  // namespace
}  // namespace causeway::testing

int main(int argc, char** argv) {
  try {
    return causeway::testing::run(argc, argv);
  } catch (const causeway::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}

// Classify images with model.onnx: ./predict IMAGE...
//
// Another file of the export answers in its place: ./predict --model model_int8.onnx IMAGE...
//
// Prints what predict.py prints. Build it in this folder, on Debian and Ubuntu with libonnxruntime-dev and
// libopencv-dev installed, by
//   g++ -std=c++17 -O2 predict.cpp -o predict $(pkg-config --cflags --libs libonnxruntime opencv4)

#include <algorithm>
#include <cstdio>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace fs = std::filesystem;

// Returns what the model says of itself under a name; empty where it says nothing.
std::string metadata(const Ort::Session& session, const char* name) {
    Ort::AllocatorWithDefaultOptions allocator;
    auto value = session.GetModelMetadata().LookupCustomMetadataMapAllocated(name, allocator);
    return value ? value.get() : "";
}

// Reads a JSON list of numbers.
std::vector<double> numbers(std::string list) {
    std::replace_if(list.begin(), list.end(), [](char c) { return c == '[' || c == ']' || c == ','; }, ' ');
    std::vector<double> found;
    const char* at = list.c_str();
    for (char* end = nullptr;; at = end) {
        double value = std::strtod(at, &end);
        if (end == at) return found;
        found.push_back(value);
    }
}

// The class names, one a line, as the export wrote them; the same stand in the model's metadata as JSON.
std::vector<std::string> lines(const fs::path& path) {
    std::ifstream file(path);
    std::vector<std::string> found;
    for (std::string line; std::getline(file, line);) found.push_back(line);
    return found;
}

// Tells whether the labelled images beside the model were changed after the export: predict.py answers from them then.
bool was_index_changed(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    unsigned char size[8] = {};
    if (!file.read(reinterpret_cast<char*>(size), 8)) return false;
    uint64_t length = 0;
    for (int place = 7; place >= 0; --place) length = length << 8 | size[place];
    std::string head(std::min<uint64_t>(length, 1 << 28), ' ');
    file.read(head.data(), static_cast<std::streamsize>(head.size()));
    for (const char* key : {"\\\"added\\\": ", "\\\"removed\\\": "}) {  // JSON inside of JSON
        const size_t at = head.find(key);
        if (at != std::string::npos && std::strtoull(head.c_str() + at + std::strlen(key), nullptr, 10) > 0) return true;
    }
    return false;
}

// Returns an image as upright RGB, transparent parts on white, as the model learned to see it; empty where it is none.
// Any size will do: cropping, resizing and normalising happen inside the model.
cv::Mat read_pixels(const std::string& path) {
    cv::Mat image = cv::imread(path, cv::IMREAD_UNCHANGED);
    if (image.channels() != 4) image = cv::imread(path, cv::IMREAD_COLOR);  // turned as EXIF says
    if (image.empty()) return image;
    if (image.depth() == CV_16U) image.convertTo(image, CV_8U, 1 / 257.0);
    cv::Mat rgb(image.size(), CV_8UC3);
    if (image.channels() == 3) {
        cv::cvtColor(image, rgb, cv::COLOR_BGR2RGB);
        return rgb;
    }
    for (int y = 0; y < image.rows; ++y)
        for (int x = 0; x < image.cols; ++x) {
            const auto& from = image.at<cv::Vec4b>(y, x);
            for (int colour = 0; colour < 3; ++colour)
                rgb.at<cv::Vec3b>(y, x)[colour] = (from[2 - colour] * from[3] + 255 * (255 - from[3]) + 127) / 255;
        }
    return rgb;
}

void answer(Ort::Session& session, const std::string& path, cv::Mat& pixels, const std::vector<std::string>& names,
            const std::vector<double>& thresholds, bool tells_distance) {
    const int64_t shape[] = {1, pixels.rows, pixels.cols, 3};
    auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    auto image = Ort::Value::CreateTensor<uint8_t>(memory, pixels.data, pixels.total() * 3, shape, 4);
    const char* inputs[] = {"image"};
    const char* outputs[] = {"probabilities", "distance"};
    auto found = session.Run(Ort::RunOptions{}, inputs, &image, 1, outputs, tells_distance ? 2 : 1);
    const float* probabilities = found[0].GetTensorData<float>();
    const bool is_unlike = tells_distance && found[1].GetTensorData<float>()[0] > 1;
    std::printf("%s%s\n", path.c_str(), is_unlike ? "  (unlike the images of training: a guess)" : "");
    std::vector<size_t> places(names.size());
    std::iota(places.begin(), places.end(), 0);
    std::stable_sort(places.begin(), places.end(),
                     [&](size_t a, size_t b) { return probabilities[a] > probabilities[b]; });
    places.resize(std::min<size_t>(5, places.size()));
    for (size_t place : places) {
        const bool is_assigned = !thresholds.empty() && probabilities[place] >= thresholds[place];
        std::printf("  %6.2f%%  %s%s\n", 100.0 * probabilities[place], names[place].c_str(), is_assigned ? "  *" : "");
    }
}

int main(int count, char** words) {
    const fs::path folder = fs::canonical(fs::absolute(words[0])).parent_path() / ".." / "..";
    fs::path model = folder / "model.onnx";
    int first = 1;
    if (count > 1 && std::strcmp(words[1], "--model") == 0) {
        if (count < 3) return std::fprintf(stderr, "predict: --model needs a file, such as: --model model_int8.onnx\n"), 2;
        model = fs::is_regular_file(words[2]) ? fs::path(words[2]) : folder / words[2];  // as it is named, or beside
        first = 3;
    }
    if (first >= count)
        return std::fprintf(stderr, "predict: name one image or more, such as: predict image.jpg\n"), 2;
    if (!fs::is_regular_file(model))
        return std::fprintf(stderr, "predict: %s is missing. Keep this folder where the export put it.\n",
                            model.c_str()), 2;
    // Debian's ONNX Runtime writes 567 lines "Schema error" to std::cerr with the first session (Debian bug 1092898). They
    // mean nothing. Do the same in a program of yours; errors are exceptions, printed below.
    std::cerr.setstate(std::ios_base::failbit);
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    int result = 0;
    try {
        Ort::Env environment(ORT_LOGGING_LEVEL_ERROR, "predict");
        std::ifstream file(model, std::ios::binary);
        std::vector<char> content((std::istreambuf_iterator<char>(file)), {});
        Ort::SessionOptions options;
        options.AddConfigEntry("session.x64quantprecision", "1");  // int8 is exact on old processors too
        Ort::Session session(environment, content.data(), content.size(), options);
        Ort::AllocatorWithDefaultOptions allocator;
        if (std::string(session.GetInputNameAllocated(0, allocator).get()) != "image")
            throw std::runtime_error("it takes images that are prepared already; model.onnx does that itself");
        // An image may have several classes: each has a probability from which it is assigned.
        const auto thresholds = numbers(metadata(session, "thresholds"));
        // With these bytes behind it, the file also tells how unlike the images of training an image is.
        const std::string hidden = metadata(session, "distance_output");
        for (size_t at = 0; at + 1 < hidden.size(); at += 2)
            content.push_back(static_cast<char>(std::stoi(hidden.substr(at, 2), nullptr, 16)));
        if (!hidden.empty()) session = Ort::Session(environment, content.data(), content.size(), options);
        const auto names = lines(model.parent_path() / "labels.txt");
        if (was_index_changed(model.parent_path() / "index.safetensors"))
            std::fprintf(stderr, "predict: the labelled images beside the model were changed since the export: "
                                 "only predict.py answers from them.\n");
        for (int place = first; place < count; ++place) {
            cv::Mat pixels = read_pixels(words[place]);
            if (!pixels.empty()) {
                answer(session, words[place], pixels, names, thresholds, !hidden.empty());
                continue;
            }
            const bool is_there = fs::exists(words[place]);
            std::fprintf(stderr, "predict: %s: %s\n", words[place],
                         is_there ? "it is no image that can be read" : "there is no such file");
            result = 2;
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "predict: %s cannot be used (%s). Export it again.\n", model.c_str(), error.what());
        return 2;
    }
    return result;
}

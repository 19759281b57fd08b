// Classify pictures with model.onnx, in this folder: dotnet run -- PICTURE...
//
// Prints what predict.py prints. Keep this folder where the export put it: the model lies two folders above.
// Needs the .NET SDK, 8 or newer; the packages come with the first run.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using SkiaSharp;

string? modelPath = FindModel();
if (args.Length == 0) return Stop("name one picture or more, such as: dotnet run -- picture.jpg");
if (modelPath is null) return Stop("model.onnx is missing. Keep this folder in the folder of the export.");

InferenceSession session;
string[] classNames;
double[]? thresholds;
string[] outputs = { "probabilities" };
try
{
    byte[] content = File.ReadAllBytes(modelPath);
    session = new InferenceSession(content);
    Dictionary<string, string> metadata = session.ModelMetadata.CustomMetadataMap;
    classNames = JsonSerializer.Deserialize<string[]>(metadata["class_names"])!;
    // A picture may have several classes: each has a probability from which it is assigned.
    thresholds = JsonSerializer.Deserialize<double[]?>(metadata.GetValueOrDefault("thresholds", "null"));
    if (metadata.TryGetValue("distance_output", out string? hidden))
    {
        // With these bytes behind it, the file also tells how unlike the pictures of training a picture is.
        session.Dispose();
        session = new InferenceSession(content.Concat(Convert.FromHexString(hidden)).ToArray());
        outputs = new[] { "probabilities", "distance" };
    }
}
catch (Exception error) when (error is OnnxRuntimeException or KeyNotFoundException or JsonException or IOException)
{
    return Stop($"{modelPath} cannot be used ({error.Message}). Export it again.");
}

if (WasIndexChanged(Path.Combine(Path.GetDirectoryName(modelPath)!, "index.safetensors")))
    Say("the labelled pictures beside the model were changed since the export: only predict.py answers from them.");

int leftOut = 0;
foreach (string path in args)
{
    try
    {
        Answer(path);
    }
    catch (Exception error) when (error is IOException or InvalidDataException or OnnxRuntimeException)
    {
        Say($"{path}: {(error is FileNotFoundException ? "there is no such file" : error.Message)}");
        leftOut++;
    }
}
session.Dispose();
return leftOut == 0 ? 0 : 2;

void Answer(string path)
{
    DenseTensor<byte> pixels = ReadPixels(path);
    using var results = session.Run(new[] { NamedOnnxValue.CreateFromTensor("image", pixels) }, outputs);
    float[] probabilities = results.First(each => each.Name == "probabilities").AsEnumerable<float>().ToArray();
    bool isUnlike = outputs.Length > 1 && results.First(each => each.Name == "distance").AsEnumerable<float>().First() > 1;
    Console.WriteLine(path + (isUnlike ? "  (unlike the pictures of training: a guess)" : ""));
    foreach (int place in Enumerable.Range(0, probabilities.Length).OrderByDescending(at => probabilities[at]).Take(5))
    {
        bool isAssigned = thresholds is not null && probabilities[place] >= thresholds[place];
        string share = (100.0 * probabilities[place]).ToString("F2", CultureInfo.InvariantCulture).PadLeft(6);
        Console.WriteLine($"  {share}%  {classNames[place]}{(isAssigned ? "  *" : "")}");
    }
}

// Returns a picture as upright RGB, transparent parts on white, as the model learned to see it. Any size will do:
// cropping, resizing and normalising happen inside the model.
static DenseTensor<byte> ReadPixels(string path)
{
    if (!File.Exists(path)) throw new FileNotFoundException(path);
    using SKCodec? codec = SKCodec.Create(path);
    if (codec is null) throw new InvalidDataException("it is no picture that can be read");
    // No colour space is named, so the values of the file stay as they are.
    var wanted = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
    using var bitmap = new SKBitmap(wanted);
    if (codec.GetPixels(wanted, bitmap.GetPixels()) != SKCodecResult.Success)
        throw new InvalidDataException("the picture is damaged");
    byte[] stored = new byte[bitmap.ByteCount];
    Marshal.Copy(bitmap.GetPixels(), stored, 0, stored.Length);

    int width = wanted.Width, height = wanted.Height, orientation = (int)codec.EncodedOrigin; // EXIF's 1 to 8
    bool isTurned = orientation >= 5;
    var upright = new DenseTensor<byte>(new[] { 1, isTurned ? width : height, isTurned ? height : width, 3 });
    Span<byte> pixels = upright.Buffer.Span;
    for (int y = 0; y < height; y++)
    {
        for (int x = 0; x < width; x++)
        {
            int column = orientation is 2 or 3 or 7 or 8 ? -1 : 1, line = orientation is 3 or 4 or 6 or 7 ? -1 : 1;
            int fromX = column > 0 ? x : width - 1 - x, fromY = line > 0 ? y : height - 1 - y;
            int to = 3 * (isTurned ? x * height + y : y * width + x), from = bitmap.RowBytes * fromY + 4 * fromX;
            int alpha = stored[from + 3];
            for (int colour = 0; colour < 3; colour++)
                pixels[to + colour] = (byte)((stored[from + colour] * alpha + 255 * (255 - alpha) + 127) / 255);
        }
    }
    return upright;
}

// Tells whether the labelled pictures beside the model were changed after the export: predict.py answers from them then.
static bool WasIndexChanged(string path)
{
    if (!File.Exists(path)) return false;
    using var file = new BinaryReader(File.OpenRead(path));
    using JsonDocument head = JsonDocument.Parse(file.ReadBytes((int)file.ReadInt64()));
    string about = head.RootElement.GetProperty("__metadata__").GetProperty("about").GetString()!;
    using JsonDocument said = JsonDocument.Parse(about);
    return new[] { "added", "removed" }.Any(
        key => said.RootElement.TryGetProperty(key, out JsonElement count) && count.GetInt32() > 0);
}

// `dotnet run` starts the program some folders below this one.
static string? FindModel()
{
    foreach (string start in new[] { Directory.GetCurrentDirectory(), AppContext.BaseDirectory })
        for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "model.onnx"))) return Path.Combine(folder.FullName, "model.onnx");
    return null;
}

static void Say(string message) => Console.Error.WriteLine("predict: " + message.Replace('\n', ' '));

static int Stop(string message)
{
    Say(message);
    return 2;
}

// Classify images with model.onnx, in this folder: dotnet run -- IMAGE...
//
// Another file of the export answers in its place: dotnet run -- --model model_int8.onnx IMAGE...
//
// Prints what predict.py prints. Keep this folder where the export put it: the model lies two folders above.
// Needs the .NET SDK, 8 or newer; the packages come with the first run. The language is C# 7.3, as in .NET Framework.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using SkiaSharp;

static class Program
{
    static int Main(string[] args)
    {
        string modelName = "model.onnx";
        string[] paths = args;
        if (args.Length > 0 && args[0] == "--model")
        {
            if (args.Length == 1) return Stop("--model needs a file, such as: --model model_int8.onnx");
            modelName = args[1];
            paths = args.Skip(2).ToArray();
        }
        if (paths.Length == 0) return Stop("name one image or more, such as: dotnet run -- image.jpg");
        string modelPath = FindModel(modelName);
        if (modelPath == null) return Stop(modelName + " is missing. Keep this folder in the folder of the export.");
        string folder = Path.GetDirectoryName(Path.GetFullPath(modelPath));

        Model model;
        try
        {
            model = new Model(modelPath, Path.Combine(folder, "labels.txt"));
        }
        catch (Exception error) when (error is OnnxRuntimeException || error is IOException || error is FormatException)
        {
            return Stop(modelPath + " cannot be used (" + error.Message + "). Export it again.");
        }
        if (WasIndexChanged(Path.Combine(folder, "index.safetensors")))
            Say("the labelled images beside the model were changed since the export: only predict.py answers from them.");

        int leftOut = 0;
        using (model)
        {
            foreach (string path in paths)
            {
                try
                {
                    model.Answer(path, ReadPixels(path));
                }
                catch (Exception error) when (error is IOException || error is FormatException || error is OnnxRuntimeException)
                {
                    Say(path + ": " + (error is FileNotFoundException ? "there is no such file" : error.Message));
                    leftOut++;
                }
            }
        }
        return leftOut == 0 ? 0 : 2;
    }

    // Returns an image as upright RGB, transparent parts on white, as the model learned to see it. Any size will do:
    // cropping, resizing and normalising happen inside the model.
    static DenseTensor<byte> ReadPixels(string path)
    {
        if (!File.Exists(path)) throw new FileNotFoundException(path);
        using (SKCodec codec = SKCodec.Create(path))
        {
            if (codec == null) throw new FormatException("it is no image that can be read");
            // No colour space is named, so the values of the file stay as they are.
            var wanted = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
            using (var bitmap = new SKBitmap(wanted))
            {
                if (codec.GetPixels(wanted, bitmap.GetPixels()) != SKCodecResult.Success)
                    throw new FormatException("the image is damaged");
                byte[] stored = new byte[bitmap.ByteCount];
                Marshal.Copy(bitmap.GetPixels(), stored, 0, stored.Length);
                return Upright(stored, bitmap.RowBytes, wanted.Width, wanted.Height, (int)codec.EncodedOrigin);
            }
        }
    }

    // Turns rows of red, green, blue and alpha as EXIF's orientation, 1 to 8, says.
    static DenseTensor<byte> Upright(byte[] stored, int rowBytes, int width, int height, int orientation)
    {
        bool isTurned = orientation >= 5;
        bool isMirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
        bool isOnItsHead = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
        byte[] pixels = new byte[3 * width * height];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                int fromX = isMirrored ? width - 1 - x : x, fromY = isOnItsHead ? height - 1 - y : y;
                int to = 3 * (isTurned ? x * height + y : y * width + x), from = rowBytes * fromY + 4 * fromX;
                int alpha = stored[from + 3];
                for (int colour = 0; colour < 3; colour++)
                    pixels[to + colour] = (byte)((stored[from + colour] * alpha + 255 * (255 - alpha) + 127) / 255);
            }
        }
        return new DenseTensor<byte>(pixels, new[] { 1, isTurned ? width : height, isTurned ? height : width, 3 });
    }

    // Tells whether the labelled images beside the model were changed after the export: predict.py answers from them then.
    static bool WasIndexChanged(string path)
    {
        if (!File.Exists(path)) return false;
        using (var file = new BinaryReader(File.OpenRead(path)))
        {
            string head = Encoding.UTF8.GetString(file.ReadBytes((int)file.ReadInt64()));
            // JSON inside of JSON.
            return Regex.IsMatch(head, @"\\""(added|removed)\\"": [1-9]");
        }
    }

    // As it is named, or in a folder above: `dotnet run` starts the program some folders below this one.
    static string FindModel(string name)
    {
        foreach (string start in new[] { Directory.GetCurrentDirectory(), AppContext.BaseDirectory })
            for (var folder = new DirectoryInfo(start); folder != null; folder = folder.Parent)
                if (File.Exists(Path.Combine(folder.FullName, name))) return Path.Combine(folder.FullName, name);
        return null;
    }

    static void Say(string message)
    {
        Console.Error.WriteLine("predict: " + message.Replace('\n', ' '));
    }

    static int Stop(string message)
    {
        Say(message);
        return 2;
    }
}

// An exported file and what it says of itself.
sealed class Model : IDisposable
{
    readonly InferenceSession session;
    readonly string[] classNames;
    readonly double[] thresholds; // from which probability a class is assigned; none where an image has one class
    readonly string[] outputs = { "probabilities" };

    public Model(string path, string labels)
    {
        byte[] content = File.ReadAllBytes(path);
        using (var options = new SessionOptions())
        {
            options.AddSessionConfigEntry("session.x64quantprecision", "1"); // int8 is exact on old processors too
            session = new InferenceSession(content, options);
            if (!session.InputMetadata.ContainsKey("image"))
                throw new FormatException("it takes images that are prepared already; model.onnx does that itself");
            Dictionary<string, string> metadata = session.ModelMetadata.CustomMetadataMap;
            classNames = File.ReadAllLines(labels); // the same stand in the metadata as JSON
            if (metadata.TryGetValue("thresholds", out string list))
                thresholds = list.Trim('[', ']').Split(',').Select(each => double.Parse(each, CultureInfo.InvariantCulture)).ToArray();
            if (!metadata.TryGetValue("distance_output", out string hidden)) return;
            // With these bytes behind it, the file also tells how unlike the images of training an image is.
            session.Dispose();
            session = new InferenceSession(content.Concat(BytesOf(hidden)).ToArray(), options);
            outputs = new[] { "probabilities", "distance" };
        }
    }

    // Prints the best five classes of an image.
    public void Answer(string path, DenseTensor<byte> pixels)
    {
        using (var results = session.Run(new[] { NamedOnnxValue.CreateFromTensor("image", pixels) }, outputs))
        {
            float[] probabilities = results.First(each => each.Name == "probabilities").AsEnumerable<float>().ToArray();
            bool isUnlike = outputs.Length > 1 && results.First(each => each.Name == "distance").AsEnumerable<float>().First() > 1;
            Console.WriteLine(path + (isUnlike ? "  (unlike the images of training: a guess)" : ""));
            foreach (int place in Enumerable.Range(0, probabilities.Length).OrderByDescending(at => probabilities[at]).Take(5))
            {
                bool isAssigned = thresholds != null && probabilities[place] >= thresholds[place];
                string share = (100.0 * probabilities[place]).ToString("F2", CultureInfo.InvariantCulture).PadLeft(6);
                Console.WriteLine("  " + share + "%  " + classNames[place] + (isAssigned ? "  *" : ""));
            }
        }
    }

    public void Dispose()
    {
        session.Dispose();
    }

    static IEnumerable<byte> BytesOf(string digits)
    {
        for (int at = 0; at + 1 < digits.Length; at += 2) yield return Convert.ToByte(digits.Substring(at, 2), 16);
    }
}

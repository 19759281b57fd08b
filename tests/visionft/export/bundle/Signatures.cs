// What the C# sample calls of ONNX Runtime and SkiaSharp, by its signatures alone: for a compiler without these packages.

using System;
using System.Collections;
using System.Collections.Generic;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.OnnxRuntime
{
    public class OnnxRuntimeException : Exception { }

    public class NodeMetadata { }

    public class ModelMetadata
    {
        public Dictionary<string, string> CustomMetadataMap { get { throw null; } }
    }

    public class SessionOptions : IDisposable
    {
        public void AddSessionConfigEntry(string configKey, string configValue) { throw null; }
        public void Dispose() { }
    }

    public class NamedOnnxValue
    {
        public string Name { get { throw null; } }
        public IEnumerable<T> AsEnumerable<T>() { throw null; }
        public static NamedOnnxValue CreateFromTensor<T>(string name, Tensor<T> value) { throw null; }
    }

    public class DisposableNamedOnnxValue : NamedOnnxValue, IDisposable
    {
        public void Dispose() { }
    }

    public interface IDisposableReadOnlyCollection<T> : IReadOnlyCollection<T>, IDisposable { }

    public class InferenceSession : IDisposable
    {
        public InferenceSession(byte[] model, SessionOptions options) { throw null; }
        public IReadOnlyDictionary<string, NodeMetadata> InputMetadata { get { throw null; } }
        public ModelMetadata ModelMetadata { get { throw null; } }
        public IDisposableReadOnlyCollection<DisposableNamedOnnxValue> Run(
            IReadOnlyCollection<NamedOnnxValue> inputs, IReadOnlyCollection<string> outputNames) { throw null; }
        public void Dispose() { }
    }
}

namespace Microsoft.ML.OnnxRuntime.Tensors
{
    public abstract class Tensor<T> { }

    public class DenseTensor<T> : Tensor<T>
    {
        public DenseTensor(Memory<T> memory, ReadOnlySpan<int> dimensions, bool reverseStride = false) { throw null; }
    }
}

namespace SkiaSharp
{
    public enum SKColorType { Rgba8888 }

    public enum SKAlphaType { Unpremul }

    public enum SKCodecResult { Success }

    public enum SKEncodedOrigin { TopLeft = 1 }

    public struct SKImageInfo
    {
        public SKImageInfo(int width, int height, SKColorType colorType, SKAlphaType alphaType) { throw null; }
        public int Width { get { throw null; } set { throw null; } }
        public int Height { get { throw null; } set { throw null; } }
    }

    public class SKBitmap : IDisposable
    {
        public SKBitmap(SKImageInfo info) { throw null; }
        public int ByteCount { get { throw null; } }
        public int RowBytes { get { throw null; } }
        public IntPtr GetPixels() { throw null; }
        public void Dispose() { }
    }

    public class SKCodec : IDisposable
    {
        public SKImageInfo Info { get { throw null; } }
        public SKEncodedOrigin EncodedOrigin { get { throw null; } }
        public static SKCodec Create(string filename) { throw null; }
        public SKCodecResult GetPixels(SKImageInfo info, IntPtr pixels) { throw null; }
        public void Dispose() { }
    }
}

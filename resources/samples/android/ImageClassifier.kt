// Classify photographs with a model of the export, in an Android app (API 28 or newer).
//
// Needs org.jetbrains.kotlin and com.microsoft.onnxruntime:onnxruntime-android in build.gradle.kts; the model and
// labels.txt in app/src/main/assets. Use it outside the main thread:
//
//     ImageClassifier(context).use { classifier -> classifier.classify(photograph).first() }
//
// model_fixed.onnx works too: the photograph is then cropped and resized here, by `Fitting`, as model.onnx does it.
// Bitmap.createScaledBitmap is no way to do that: it reads four pixels for each of the result, and other classes follow.

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import ai.onnxruntime.TensorInfo
import android.content.Context
import android.graphics.Bitmap
import android.graphics.ImageDecoder
import java.io.File
import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.roundToInt
import org.json.JSONObject

class Answer(val className: String, val probability: Float)

class ImageClassifier(context: Context, model: String = "model.onnx") : AutoCloseable {
    private val environment = OrtEnvironment.getEnvironment()
    private val classNames = context.assets.open("labels.txt").bufferedReader().readLines().filter { it.isNotEmpty() }
    private val session: OrtSession =
        environment.createSession(context.assets.open(model).readBytes(), OrtSession.SessionOptions())

    // [batch, height, width, 3]: negative numbers stand for any size.
    private val taken = (session.inputInfo.getValue("image").info as TensorInfo).shape
    private val fitting = if (taken[1] > 0) fittingOf(session.metadata.customMetadata.getValue("preprocessing")) else null

    /** Returns all classes, the most probable first. A file is turned upright as its EXIF data say. */
    fun classify(file: File): List<Answer> =
        classify(
            ImageDecoder.decodeBitmap(ImageDecoder.createSource(file)) { decoder, _, _ ->
                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE // a bitmap in the GPU's memory has no pixels to read
            }
        )

    /** Returns all classes of an upright photograph, the most probable first. */
    fun classify(photograph: Bitmap): List<Answer> {
        val given = bytesOf(photograph)
        val bytes = fitting?.fit(given, photograph.height, photograph.width) ?: given
        val shape = if (fitting != null) taken else longArrayOf(1, photograph.height.toLong(), photograph.width.toLong(), 3)
        OnnxTensor.createTensor(environment, bytes, shape, OnnxJavaType.UINT8).use { image ->
            session.run(mapOf("image" to image), setOf("probabilities")).use { results ->
                @Suppress("UNCHECKED_CAST") val probabilities = (results[0].value as Array<FloatArray>)[0]
                return classNames.zip(probabilities.toList()).map { Answer(it.first, it.second) }
                    .sortedByDescending { it.probability }
            }
        }
    }

    /** Returns red, green and blue of each pixel, transparent parts on white. */
    private fun bytesOf(bitmap: Bitmap): ByteBuffer {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        val bytes = ByteBuffer.allocateDirect(3 * pixels.size)
        for (pixel in pixels) {
            val alpha = pixel ushr 24
            for (shift in intArrayOf(16, 8, 0)) {
                val colour = pixel ushr shift and 255
                bytes.put(((colour * alpha + 255 * (255 - alpha) + 127) / 255).toByte())
            }
        }
        bytes.rewind()
        return bytes
    }

    private fun fittingOf(preprocessing: String): Fitting {
        val steps = JSONObject(preprocessing)
        val region = steps.getJSONArray("region")
        return Fitting(
            taken[1].toInt(), taken[2].toInt(), IntArray(region.length()) { region.getInt(it) },
            steps.getDouble("crop_share"), steps.getString("interpolation") == "bicubic"
        )
    }

    override fun close() = session.close()
}

/**
 * Cuts out what the model sees, the largest box of its aspect ratio, and resizes it with antialiasing.
 *
 * The bytes are those of model.onnx before it normalises them, rounded. `region` is left, top, right and bottom in
 * thousandths of the sides.
 */
class Fitting(
    private val height: Int, private val width: Int, private val region: IntArray, cropShare: Double,
    private val isCubic: Boolean
) {
    private val permille = (cropShare * 1000).roundToInt()

    /** Returns red, green and blue of each pixel of the result, from those of an image. */
    fun fit(image: ByteBuffer, imageHeight: Int, imageWidth: Int): ByteBuffer {
        val regionX = imageWidth * region[0] / 1000
        val regionY = imageHeight * region[1] / 1000
        val regionWidth = maxOf(1, imageWidth * region[2] / 1000 - regionX)
        val regionHeight = maxOf(1, imageHeight * region[3] / 1000 - regionY)
        val (high, wide) = divisor(height, width).let { height / it to width / it } // the aspect ratio
        val extent = minOf(regionHeight.toLong() * wide, regionWidth.toLong() * high)
        val boxHeight = maxOf(1, ((2 * extent * permille + 1000 * wide) / (2000 * wide)).toInt())
        val boxWidth = maxOf(1, ((2 * extent * permille + 1000 * high) / (2000 * high)).toInt())
        val left = regionX + (regionWidth - boxWidth) / 2
        val top = regionY + (regionHeight - boxHeight) / 2
        val (columns, rows) = windows(boxWidth, width) to windows(boxHeight, height)

        val narrow = FloatArray(boxHeight * width * 3) // as high as the box, as wide as the result
        val line = ByteArray(boxWidth * 3)
        for (y in 0 until boxHeight) {
            image.position(3 * ((top + y) * imageWidth + left))
            image.get(line)
            for (x in 0 until width) {
                val window = columns[x]
                for (colour in 0..2) {
                    var sum = 0f
                    for (i in window.weights.indices)
                        sum += window.weights[i] * (line[3 * (window.first + i) + colour].toInt() and 255)
                    narrow[3 * (y * width + x) + colour] = sum
                }
            }
        }
        val found = ByteBuffer.allocateDirect(3 * width * height)
        for (window in rows) {
            for (x in 0 until 3 * width) {
                var sum = 0f
                for (i in window.weights.indices) sum += window.weights[i] * narrow[(window.first + i) * 3 * width + x]
                found.put(sum.roundToInt().coerceIn(0, 255).toByte())
            }
        }
        found.rewind()
        return found
    }

    /** The pixels that one pixel of the result is a mean of: `weights` from `first` on; they sum to one. */
    private class Window(val first: Int, val weights: FloatArray)

    private fun windows(side: Int, size: Int): List<Window> {
        val scale = side.toDouble() / size
        val spread = maxOf(scale, 1.0)
        val reach = spread * (if (isCubic) 2 else 1)
        return List(size) { place ->
            val centre = (place + 0.5) * scale
            val first = maxOf(0, floor(centre - reach).toInt())
            val end = minOf(side, ceil(centre + reach).toInt())
            val raw = DoubleArray(end - first) { filter(abs(first + it + 0.5 - centre) / spread) }
            val sum = raw.sum()
            Window(first, FloatArray(raw.size) { (raw[it] / sum).toFloat() })
        }
    }

    /** A triangle, or Keys' cubic with a = -1/2. */
    private fun filter(x: Double): Double = when {
        !isCubic -> maxOf(0.0, 1 - x)
        x < 1 -> (1.5 * x - 2.5) * x * x + 1
        x < 2 -> ((-0.5 * x + 2.5) * x - 4) * x + 2
        else -> 0.0
    }

    private fun divisor(a: Int, b: Int): Int = if (b == 0) a else divisor(b, a % b)
}
